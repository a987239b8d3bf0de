"""How much has to be done for int8: the cheapest steps that keep an accuracy budget."""
