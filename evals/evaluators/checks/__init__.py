"""The checks by code that come with Andon, a module for each family; `registry` lists them."""
