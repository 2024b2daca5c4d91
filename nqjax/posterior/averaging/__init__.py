"""The posterior of one search over all thresholds and all real gammas, by importance sampling."""
