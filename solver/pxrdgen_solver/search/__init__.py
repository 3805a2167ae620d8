"""The search: generators propose, least squares disposes."""
