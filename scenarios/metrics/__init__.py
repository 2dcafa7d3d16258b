"""What a drive was worth: perception, tracking, prediction, comfort, safety and the leaderboard's score, as numbers."""
