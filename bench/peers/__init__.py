"""The programs Deputize is measured beside, as their distributors package them."""
