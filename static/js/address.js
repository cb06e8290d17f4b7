// The chosen network stands in the address (?node=2.1), so that a link shows what its sender saw.

export function followAddress(store) {
  const code = new URLSearchParams(location.search).get("node");
  if (code && store.byCode(code)) store.choose(code);
  store.listen((changed) => {
    if (!changed.choice) return;
    const url = new URL(location.href);
    if (store.isPicked) url.searchParams.set("node", store.chosen.code);
    else url.searchParams.delete("node");
    if (url.href !== location.href) history.replaceState(null, "", url);
  });
}
