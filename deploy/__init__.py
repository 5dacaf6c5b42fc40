"""How the product is put in place: the demo, sample configurations, the broker's."""
