"""Run folders as one page that opens offline: data, network, curves, figures, samples, and how to get them again."""
