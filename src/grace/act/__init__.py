"""Done, checked, undone: the only wing that changes anything outside GRACE."""
