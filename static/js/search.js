// The search page: one state, one chosen network, a part for each thing on the page.

import { followAddress } from "./address.js";
import { announce } from "./announce.js";
import { Best } from "./best.js";
import { Comparisons } from "./comparisons.js";
import { confirmForms } from "./confirm.js";
import { Controls } from "./controls.js";
import { Curves } from "./curves.js";
import { Network } from "./drawing.js";
import { Growth } from "./growth.js";
import { Header } from "./header.js";
import { Heartbeat } from "./heartbeat.js";
import { Log } from "./log.js";
import { Menu } from "./menu.js";
import { Name } from "./name.js";
import { Notes } from "./notes.js";
import { Operators } from "./operators.js";
import { Overview } from "./overview.js";
import { goLive, openStore } from "./page.js";
import { Result } from "./result.js";
import { SealPanel } from "./seal.js";
import { Tab } from "./tab.js";
import { Table } from "./table.js";
import { Tree } from "./tree.js";

const store = openStore();
confirmForms(() => store.final?.status === "done");
new Menu("more");
followAddress(store);
let header = null;
const heartbeat = new Heartbeat(store, () => header?.tick());
header = new Header(store, heartbeat);
for (const Part of [Controls, Result, Comparisons, Tree, Network, Growth, Table, SealPanel, Operators, Log, Overview, Curves, Best, Name, Notes, Tab]) new Part(store);
announce(store);
goLive(store, (connected) => header.connection(connected));
