"""Settings of the module 'ham'."""

shrubbery = 'a nice one'
logfile = 'spam.log'
