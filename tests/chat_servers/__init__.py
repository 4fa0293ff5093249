"""What our own Slack and our own Discord have in common, in the tests."""
