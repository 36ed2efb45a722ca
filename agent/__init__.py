"""What the model may say: actions, grammar, transcript, model sessions, profiles, settings, errors."""
