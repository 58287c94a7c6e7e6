"""What docs/explanation/security.md claims, shown; what other tests show already is named there."""
