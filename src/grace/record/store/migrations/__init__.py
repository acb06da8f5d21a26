"""How the schema came to be: numbered steps, each with its way back, in a file named after its revision."""
