"""The networks of the neural models, in torch: imported only when a network is built (see `dnastudy.models.neural`)."""
