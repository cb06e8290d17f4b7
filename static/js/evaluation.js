// How a final model errs: the numbers behind its confusion and its calibration.

import { offerData } from "./data.js";
import { byId } from "./dom.js";

const facts = () => JSON.parse(byId("evaluated").textContent); // fetched anew with the region once a job has ended

function offer() {
  offerData("confusion", () => {
    const { names, cells } = facts();
    return { title: "Confusion", columns: ["what the image shows", "what the model says", "images"], rows: cells.map(([shows, says, n]) => [names[shows], names[says], n]) };
  });
  offerData("calibration", () => ({
    title: "Calibration",
    columns: ["mean confidence", "share right", "images"],
    rows: facts().calibration.map(({ confidence, share, n }) => [confidence, share, n]),
  }));
}

document.addEventListener("renewed", offer);
offer();
