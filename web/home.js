// Writes the address of this page into the curl command, which is a fixed one
// until then, and must read well as such.

const origin = document.getElementById("origin");
origin.textContent = location.origin;
