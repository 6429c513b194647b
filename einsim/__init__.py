"""einsim: which attention algorithm, mapped how, on which spatial array, is fastest and cheapest?"""

__version__ = "0.1.0"
