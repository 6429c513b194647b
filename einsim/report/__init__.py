"""Tables, descriptions and figures."""
