(() => {
  "use strict";
  const hops = [...document.querySelectorAll(".hop")];
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const bare = document.getElementById("bare");
  const go = (place) => {
    const hop = hops[Math.min(Math.max(place, 0), hops.length - 1)];
    if (!hop) return;
    hop.focus({ preventScroll: true });
    hop.scrollIntoView({ block: "start", behavior: still.matches ? "auto" : "smooth" });
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const here = hops.findIndex((hop) => hop.contains(document.activeElement));
    if (event.key === "j" || event.key === "ArrowRight") go(here + 1);
    else if (event.key === "k" || event.key === "ArrowLeft") go(here - 1);
    else if (event.key === "d") bare.checked = !bare.checked;
    else return;
    event.preventDefault();
  });
})();
