"""Real data that ships with the package."""

from agnostic_ig.datasets.email_fraud import EmailFraud, load_email_fraud

__all__ = ["EmailFraud", "load_email_fraud"]
