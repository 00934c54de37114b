"""What was measured: PE points, sampling plans, campaigns, the store, the shipped datapoints."""
