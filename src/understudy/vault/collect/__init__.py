"""Give back the space that no kept point needs: mark, repack, condemn, and delete after a grace. The only place where objects go."""
