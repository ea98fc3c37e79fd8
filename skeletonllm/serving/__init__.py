"""Others ask: an engine that answers, draws and dances, an endpoint that OpenAI's client can talk to, and a web app."""
