// What the browser keeps for the page. Where it keeps nothing, as with blocked cookies, the page
// remembers it until it is closed.

function storeOf(name) {
  const own = new Map();
  const attempt = (work) => {
    try {
      return work(globalThis[name]);
    } catch {
      return undefined;
    }
  };
  return {
    get: (key) => attempt((store) => store.getItem(key)) ?? own.get(key) ?? null,
    set(key, value) {
      own.set(key, value);
      attempt((store) => {
        store.setItem(key, value);
        own.delete(key);
      });
    },
    remove(key) {
      own.delete(key);
      attempt((store) => store.removeItem(key));
    },
  };
}

export const lasting = storeOf("localStorage");
/** Until the tab is closed. */
export const ofTab = storeOf("sessionStorage");
