// Refuses a file that is too large when it is chosen, before it is uploaded.

document.addEventListener("change", ({ target }) => {
  const { files, dataset } = target;
  if (!files || !dataset.largest) return;
  const isTooLarge = [...files].some((file) => file.size > Number(dataset.largest));
  target.setCustomValidity(isTooLarge ? dataset.tooLarge : "");
  target.reportValidity();
});
