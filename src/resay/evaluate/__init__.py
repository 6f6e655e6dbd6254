"""Judges of finished audio: what a recogniser, a speaker encoder and a quality model hear, with intervals, as tables.

Nothing here is needed to speak. The judges are files in a folder of their own (`resay evaluate judges --into DIR`).
"""
