"""The only source of the schema: numbered steps, each with its way back, in a file named after its revision."""
