"""`python -m einsim`."""

from einsim.cli.app import main

main()
