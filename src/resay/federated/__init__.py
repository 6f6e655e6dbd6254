"""Voices that stay home: a small shared adapter is improved by many, and nobody sees what one of them sent."""
