"""Batches that are worked off in the background: `store` keeps them, `running` speaks them, `retention` tidies up."""
