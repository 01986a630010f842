"""What travels: JSON values, Chat and Responses shapes, stream events. Imports nothing above `errors`."""
