"""`python -m co2`: the same as the command `co2`."""

from co2.app.cli.main import main

main()
