"""From designs to loop nests with sizes."""
