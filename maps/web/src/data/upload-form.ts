// Choose or drop a file to upload.

import { element, heading } from "../dom";
import { text } from "../locale";
import { setSidebar, showFeatures } from "./change-map";
import { uploadFile } from "./import-api";

const SUFFIXES = ".zip,.gpkg,.geojson,.json,.geojsonl,.csv,.tsv,.txt,.xlsx,.kml,.kmz,.dxf,.parquet";

/** The form to choose or drop a file. */
export function showUploadForm(navigate: (path: string) => void): void {
  const message = element("p", { class: "said", role: "alert" });
  const field = element("input", { type: "file", accept: SUFFIXES });
  const send = async (file: File | undefined) => {
    if (!file) return;
    field.disabled = true;
    message.textContent = text("data.uploading", { name: file.name });
    try {
      const { id } = await uploadFile(file);
      navigate(`/data/uploads/${id}`);
    } catch (error) {
      message.textContent = (error as Error).message;
      field.disabled = false;
      field.value = "";
    }
  };
  field.addEventListener("change", () => void send(field.files?.[0]));
  const zone = element(
    "label",
    { class: "drop" },
    element("b", {}, text("data.choose_file")),
    field,
    element("span", {}, text("data.drop_here")),
  );
  zone.addEventListener("dragover", (event) => event.preventDefault());
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    void send(event.dataTransfer?.files[0]);
  });
  setSidebar(heading(text("data.upload_file"), text("data.upload_said")), zone, message);
  showFeatures([]);
}
