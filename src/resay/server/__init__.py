"""Speech for programs: an HTTP server that speaks OpenAI's dialect. `app.create_app` makes it.

Nothing here is imported by the rest of the house, so that speaking needs neither FastAPI nor uvicorn.
"""
