/* Links to the files that jobs made. The page's are addresses; in the notebook's panel a link asks the kernel for its file
   when it is pressed, and then is one. */

export async function mount(host, house) {
  document.addEventListener("click", async (event) => {
    const link = event.target.closest?.("a.sd-made");
    if (!link || link.href.startsWith("blob:") || !link.closest(".sdcolab-panel")?.contains(host)) return;
    event.preventDefault();
    try {
      link.href = await house.file("made", link.dataset.key);
      link.click();
    } catch (error) {
      link.replaceWith(house.el("span", { className: "sd-room-told", role: "status" }, error.message));
    }
  });
}
