"""`python -m alkey_module` prints the path of libalkey.so, for a shell."""

from alkey_module import path

print(path())
