"""Small programs for people who work on Deputize; none is part of the product."""
