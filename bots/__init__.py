"""The chat bots: translators between a platform and the engine. They know no model and no index."""
