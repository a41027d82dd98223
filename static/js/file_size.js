// A file that is too large is refused as soon as it is chosen, not after its upload.

document.addEventListener("change", ({ target }) => {
  const { files, dataset } = target;
  if (!files || !dataset.largest) return;
  const isTooLarge = [...files].some((file) => file.size > Number(dataset.largest));
  target.setCustomValidity(isTooLarge ? dataset.tooLarge : "");
  target.reportValidity();
});
