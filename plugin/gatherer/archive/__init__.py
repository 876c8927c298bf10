"""The archive: from what hosts say to members, manifests and bytes on the disk, and back."""
