"""What every package shares: errors, the plan, records, seeds and devices. Imports nothing of ours."""
