"""What was said before: chains of stored responses, conversations, and what clients carry."""
