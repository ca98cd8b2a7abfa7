"""Attribution methods: one file each, on top of whatever engine serves the model."""
