"""What each kind of component must do, one file a kind."""
