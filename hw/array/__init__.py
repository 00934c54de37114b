"""Arrays of processing elements and the networks between them."""
