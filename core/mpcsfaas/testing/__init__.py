"""What a plugin author subclasses or uses to prove a plugin: contract suites, state machines, and a real platform."""
