"""The same digits second by second, as a monitor beside a bed would."""
