"""One small file per model library or family: the fitted model in, our arrays out, nothing else."""
