"""Training: data, environment, agent, evaluation."""
